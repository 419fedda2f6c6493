"""What every other room stands on: batches, hyper-parameters, errors, files, memory and processes.

Importing it loads nothing else; each name is loaded when it is used first.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
