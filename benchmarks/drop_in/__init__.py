"""Parts of the benchmark of PyTorch Geometric's loaders: files, ingest, epochs."""
