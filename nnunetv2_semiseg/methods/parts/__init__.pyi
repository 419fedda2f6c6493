from .ema_teacher import (
    EMATeacherConfig as EMATeacherConfig,
    EMATeacherMethod as EMATeacherMethod,
)
from .labels import (
    TrustedLabels as TrustedLabels,
    outside_is_background as outside_is_background,
    paste_labels as paste_labels,
    pseudo_labels as pseudo_labels,
    true_labels as true_labels,
)
from .mixing import (
    check_cubes as check_cubes,
    draw_cubes as draw_cubes,
    draw_cutmix_boxes as draw_cutmix_boxes,
    draw_pairs as draw_pairs,
    exchange as exchange,
    partners as partners,
    paste as paste,
    uncertain_regions as uncertain_regions,
)
from .panels import (
    map_panels as map_panels,
    prediction_panels as prediction_panels,
    pseudo_label_panels as pseudo_label_panels,
)
from .schedules import (
    linear_warmup as linear_warmup,
    sigmoid_ramp as sigmoid_ramp,
)
from .skd import (
    OptionalSkdConfig as OptionalSkdConfig,
    SkdConfig as SkdConfig,
    SkdMethod as SkdMethod,
)
