from .measuring.classes import LabelClass as LabelClass, foreground_classes as foreground_classes
from .measuring.domains import domains_of as domains_of
from .measuring.measures import (
    MEASURES as MEASURES,
    Measure as Measure,
    dice as dice,
    jaccard as jaccard,
    surface_distances as surface_distances,
)
from .measuring.scores import CLASS_MEAN as CLASS_MEAN, Score as Score
from .prediction_folders import evaluate as evaluate, name_models as name_models
from .results.costs import TrainingCost as TrainingCost, training_cost as training_cost
from .results.differences import Difference as Difference
from .results.history import FoldHistory as FoldHistory, read_trainings as read_trainings
from .results.report import Report as Report, read_report as read_report
from .results.summary import DOMAIN_MEAN as DOMAIN_MEAN, Spread as Spread, Summary as Summary
from .writing.folder import write_report as write_report
from .writing.frames import (
    differences_frame as differences_frame,
    scores_frame as scores_frame,
    summaries_frame as summaries_frame,
    trainings_frame as trainings_frame,
)
from .writing.markdown import report_markdown as report_markdown
from .writing.page.page import PageSources as PageSources, report_page as report_page
