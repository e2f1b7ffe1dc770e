"""Reports: what goes out, to whom, and did it get there?"""

from attribution.ui import draw, draw_reports, frame

context = frame.context()
mine = draw_reports.manager(context)
view, known = draw_reports.view_of(context, mine)

draw.opening(view)
draw_reports.incidents(mine)
draw.metrics(view)
for name in view.figures:
    draw.figure(view, name)
draw.table(view, "plans")
draw_reports.one_report(mine, known)
draw_reports.form(mine, known)
draw_reports.history(context, mine, view)
