from .ema_teacher import (
    EMATeacherConfig as EMATeacherConfig,
)
from .ema_teacher import (
    EMATeacherMethod as EMATeacherMethod,
)
from .labels import (
    TrustedLabels as TrustedLabels,
)
from .labels import (
    outside_is_background as outside_is_background,
)
from .labels import (
    paste_labels as paste_labels,
)
from .labels import (
    pseudo_labels as pseudo_labels,
)
from .labels import (
    true_labels as true_labels,
)
from .mixing import (
    check_cubes as check_cubes,
)
from .mixing import (
    draw_cubes as draw_cubes,
)
from .mixing import (
    draw_cutmix_boxes as draw_cutmix_boxes,
)
from .mixing import (
    draw_pairs as draw_pairs,
)
from .mixing import (
    exchange as exchange,
)
from .mixing import (
    partners as partners,
)
from .mixing import (
    paste as paste,
)
from .mixing import (
    uncertain_regions as uncertain_regions,
)
from .panels import (
    map_panels as map_panels,
)
from .panels import (
    prediction_panels as prediction_panels,
)
from .panels import (
    pseudo_label_panels as pseudo_label_panels,
)
from .schedules import (
    linear_warmup as linear_warmup,
)
from .schedules import (
    sigmoid_ramp as sigmoid_ramp,
)
from .skd import (
    OptionalSkdConfig as OptionalSkdConfig,
)
from .skd import (
    SkdConfig as SkdConfig,
)
from .skd import (
    SkdMethod as SkdMethod,
)
