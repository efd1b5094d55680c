"""Is the picture of a frontier one that can be read: XML, the labels named on
the command line there once each, inside, and none over another or a point?"""
import sys
import xml.etree.ElementTree as xml

SVG = "{http://www.w3.org/2000/svg}"
root = xml.parse(sys.argv[1]).getroot()
_, _, width, height = map(float, root.get("viewBox").split())
boxes = []
for text in root.iter(SVG + "text"):
    if text.get("class") == "v":
        x, y = float(text.get("x")), float(text.get("y"))
        boxes.append((text.text, x, y - 9, x + 6.4 * len(text.text), y + 2))
for dot in root.iter(SVG + "circle"):
    x, y = float(dot.get("cx")), float(dot.get("cy"))
    boxes.append(("a point", x - 3, y - 3, x + 3, y + 3))
labels = [box for box in boxes if box[0] != "a point"]
if sorted(box[0] for box in labels) != sorted(sys.argv[2:]):
    sys.exit("labels: %s" % [box[0] for box in labels])
for i, a in enumerate(boxes):
    if a[1] < 0 or a[3] > width or a[2] < 0 or a[4] > height:
        sys.exit("%s is outside" % a[0])
    for b in boxes[i + 1:]:
        both_dots = a[0] == b[0] == "a point"
        if a[1] < b[3] and b[1] < a[3] and a[2] < b[4] and b[2] < a[4] and \
                not both_dots:
            sys.exit("%s is over %s" % (a[0], b[0]))
