# Reads Arrow streams with the Python connector's own reader (nanoarrow, up to 4.x). One base64 stream per line on standard input; one JSON
# list of rows per line on standard output, every value as a text.
import base64
import datetime
import json
import sys

from snowflake.connector.arrow_context import ArrowConverterContext
from snowflake.connector.nanoarrow_arrow_iterator import PyArrowRowIterator, PyArrowTableIterator


def text(value):
    if value is None:
        return None
    if isinstance(value, (bytes, bytearray)):
        return bytes(value).hex().upper()
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, datetime.datetime):
        if value.tzinfo is not None:
            value = value.astimezone(datetime.timezone.utc).replace(tzinfo=None)
        return value.isoformat(" ")
    if isinstance(value, (datetime.date, datetime.time)):
        return value.isoformat()
    return str(value)


for line in sys.stdin:
    data = base64.b64decode(line)
    context = ArrowConverterContext({"TIMEZONE": "UTC"})
    rows = [[text(value) for value in row] for row in PyArrowRowIterator(None, data, context, False, False, False, True)]
    # What fetch_pandas_all and fetch_arrow_all read.
    tables = list(PyArrowTableIterator(None, data, context, False, False, False, True, False))
    json.dump({"rows": rows, "tableRows": sum(table.num_rows for table in tables)}, sys.stdout)
    sys.stdout.write("\n")
    sys.stdout.flush()
