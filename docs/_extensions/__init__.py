"""What the site needs beyond Sphinx: the order and the cache of its code, notebooks, and reference pages from the source."""
