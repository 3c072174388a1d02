"""Graphs of papers and products: a GCN out of a store."""
