"""Rows from a disk: the device's limits, the peers, relhop, each in a process of its own."""
