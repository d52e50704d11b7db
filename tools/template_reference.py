"""Chat templates rendered by the reference: Jinja2 set up by transformers itself. Shared by the template_* tools."""
import datetime
import importlib.metadata
import logging
import sys

logging.disable(logging.CRITICAL)
from transformers.utils import chat_template_utils  # noqa: E402

NOW = 1765432100  # seconds since the epoch, for strftime_now


class FixedClock(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return cls.fromtimestamp(NOW, datetime.timezone.utc).replace(tzinfo=None)


chat_template_utils.datetime = FixedClock


def render(source, variables):
    """The rendered text; raises whatever Jinja2 raises."""
    return chat_template_utils._compile_jinja_template(source).render(**variables)


def versions():
    names = ("Jinja2", "MarkupSafe", "transformers")
    return {"python": sys.version.split()[0], **{n: importlib.metadata.version(n) for n in names}}
