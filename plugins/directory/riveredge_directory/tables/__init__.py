"""The organisation as tables: read from files that spreadsheets write, and written for them."""
