"""What methods share: pseudo-labels, mixing, schedules, teachers, a SAM branch, panels of a picture."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
