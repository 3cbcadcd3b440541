"""`python -m riveredge_kernel`: the `riveredge` command."""

from riveredge_kernel.cli import main

main()
