"""The predictive query language: text, meaning, SQL. Knows nothing of models or torch."""
