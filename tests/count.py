"""Fails if fewer tests ran than a number: a suite that silently shrinks is no suite. Called by `make test`."""

import sys
import xml.etree.ElementTree as ET


def main(report: str, smallest: str) -> int:
    suite = next(ET.parse(report).getroot().iter("testsuite"))
    ran = int(suite.attrib["tests"]) - int(suite.attrib["skipped"])
    if ran < int(smallest):
        print(f"only {ran} tests ran; the suite holds at least {smallest} (SMALLEST_SUITE in the Makefile)")
        return 1
    print(f"{ran} tests ran, at least {smallest} expected")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
