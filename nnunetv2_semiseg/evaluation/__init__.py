"""How good predictions are, domain by domain, and how sure a difference between models is.

`evaluate` measures folders of predictions; its `Report` can be written (`write_report`), shown as a page
(`report_page`) or read as tables of pandas (`scores_frame` and its like).
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
