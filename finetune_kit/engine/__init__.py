"""Everything that imports Ludwig: its model, trainer and data set, with what they do wrong put right.

Importing this package changes nothing in Ludwig; `fit` puts our subclasses into Ludwig's registries for the run.
"""
