"""`flow-ir/1`: what a drawing is compiled to, and the only thing that running instances read."""
