"""Cora and Amazon Photo, through a store."""
