"""PyTorch Geometric's well-known scripts, each in memory (`_before`) and from a store (`_after`)."""
