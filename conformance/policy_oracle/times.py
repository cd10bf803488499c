"""Times as the policy language writes them, and the parts of a time that conditions name."""

import datetime

MOMENTS = ("%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%dT%H:%MZ", "%Y-%m-%dZ")
TIMES_OF_DAY = ("%H:%M:%S", "%H:%M:%SZ", "%H:%M", "%H:%MZ")
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


def moment(text):
    """Returns a point in time, or None for what is none."""
    return first_that_fits(text, MOMENTS)


def time_of_day(text):
    return first_that_fits(text, TIMES_OF_DAY)


def first_that_fits(text, formats):
    for one in formats:
        try:
            return datetime.datetime.strptime(text, one)
        except ValueError:
            pass
    return None


def parts(text):
    """Returns the variables that a request made at this time carries."""
    at = moment(text)
    name = "request.utc-timestamp"
    return {
        name: text,
        f"{name}.month-of-year": str(at.month),
        f"{name}.day-of-month": str(at.day),
        f"{name}.day-of-week": DAYS[at.weekday()],
        f"{name}.time-of-day": at.strftime("%H:%M:%S"),
    }
