"""Panels that lie on disk: made of a folder of Parquet files once, and mapped into memory as far as they are read."""
