"""What tables, keys, times and links are, guessed from names and values, each guess with its reason.

names      words in names of tables and columns
profile    facts of columns, counted by DuckDB in one pass a table
keys       primary keys
links      foreign keys
times      time columns
stypes     semantic types
guess      all of these in order: what the user says stands, the rest is guessed
"""
