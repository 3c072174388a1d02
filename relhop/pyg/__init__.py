"""PyG's interfaces: a graph wherever it is, as feature store, graph store and sampler."""
