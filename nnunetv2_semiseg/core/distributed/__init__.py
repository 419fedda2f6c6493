"""A training by several processes, one for each GPU: what they tell each other, and when they wait."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
