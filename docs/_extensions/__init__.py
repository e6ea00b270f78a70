"""What the site needs beyond Sphinx: the order and the cache of its code, notebooks, pages made from the source."""
