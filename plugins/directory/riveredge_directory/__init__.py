"""The organisation of a tenant: departments, positions, reporting lines, groups and absences."""

from riveredge_directory.plugin import DirectoryPlugin

plugin = DirectoryPlugin()
