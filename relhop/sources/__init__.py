"""Where tables come from: files, frames, SQLite tables and SQL over them, read by DuckDB.

    paths      names of files and folders → sources by name
    reading    one source → a relation in a DuckDB connection; files stay views
    arrays     the same for a table of arrays; array_columns one of them, array_files those on disk
    headerless CSV files of nothing but numbers as arrays; spooled: what no file holds, mapped
    numbered   graphs whose nodes are numbers; pyg and ogb: those of PyG and of the Open Graph Benchmark
    kuzu       databases of Kùzu and Ladybug, by their own packages
    sqlite     the same for a table of a SQLite file, with the keys that it declares
    names      columns that go by other names than their source has
    columns    one column → the SQL that gives it the type its meaning asks for
    binding    all tables of a graph → views in a DuckDB connection
    edges      edge tables as tables to read
    fingerprint  what a store was built from, in one line

Nothing here knows of keys, links or stores.
"""
