"""Probes: hypotheses that a storefront's shoppers, buyers and mail readers would sign.

Each returns `{"verdict": "holds" | "violated" | "undecided", "reason": ..., ...}`, to be
used with this tolerance, so that anything but a clear yes deviates:

    tolerance: {type: regex, target: verdict, pattern: ^holds$}

Before the method a probe judges the baseline, after it the whole fault window; while the
window is open the session asks it again and again, and a violation then is kept. What judges a rate
by the requests alone judges it in each fault's own window as well (`by_fault` of `session.judge`).
Every probe raises NotRunningError when the experiment's control is missing or broken.
"""
