"""The store: tables on disk, rows in time order, keys turned into row numbers. See docs/format.md."""
