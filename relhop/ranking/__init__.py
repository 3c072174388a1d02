"""Link prediction: which rows of another table an entity will point at, ranked."""
