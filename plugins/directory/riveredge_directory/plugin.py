"""What the directory plugin contributes."""

from riveredge_sdk import Plugin


class DirectoryPlugin(Plugin):
    """The organisation."""

    id = "directory"
    title = "Directory"
    description = "Who belongs where and reports to whom: departments, positions, groups, absences and substitutes."
