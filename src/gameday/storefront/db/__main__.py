"""``python -m gameday.storefront.db``: initialise on the first start, then become postgres."""

import sys

from gameday.storefront.db.entrypoint import main

sys.exit(main())
