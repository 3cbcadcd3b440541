"""The live stream: pushes are rows of the transaction that caused them, and reach every process after its commit."""
