"""The data sets and questions of `benchmarks.quality`, a module a data set."""
