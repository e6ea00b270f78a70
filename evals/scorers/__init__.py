"""The scorers: plain functions, one file each."""
