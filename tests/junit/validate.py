"""Holds files against an XML schema: validate.py SCHEMA FILE...; a line for each fault, exit 1."""

import sys

from lxml import etree


def faults(schema, place):
    try:
        schema.assertValid(etree.parse(place))
    except (etree.DocumentInvalid, etree.XMLSyntaxError) as error:
        return ["%s:%d: %s" % (place, fault.line, fault.message) for fault in error.error_log]
    return []


def main():
    schema = etree.XMLSchema(etree.parse(sys.argv[1]))
    found = [fault for place in sys.argv[2:] for fault in faults(schema, place)]
    print("\n".join(found))
    sys.exit(1 if found else 0)


main()
