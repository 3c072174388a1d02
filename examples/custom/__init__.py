"""Networks of your own on batches of a store, with and without the Trainer."""
