"""The drawing, flow/1: its documents, what is wrong with it, its compiled form, and where it may come from."""
