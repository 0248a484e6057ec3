"""What was done under each configuration since this pod started; see GET /state."""

from dataclasses import dataclass


@dataclass
class Counts:
    """What happened under one configuration. `events`: how often it decided about an event or a campaign's batch."""

    events: int = 0
    audience: int = 0
    dropped_by_join: int = 0
    suppressed: int = 0
    sent: int = 0
    campaign_mails: int = 0
    held: int = 0
