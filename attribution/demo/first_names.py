"""First names of the demo's people: what the record says, and what they give elsewhere.

The shares are those of the United States census of 1990 for the names that it found most often;
the others share what is left. Some people go by a short form, some by a name of their own that no
list knows, some slip when they type it.
"""

import numpy as np

from attribution.demo.draws import Bools, Floats
from attribution.demo.folk import Folk
from attribution.demo.names import Texts

_SHORT, _OTHER, _SLIP = 0.10, 0.03, 0.012
# Per mille of each sex, with a short form where the name has one.
_FEMALE = """
Mary 26 Molly|Patricia 11 Pat|Linda 10 Lindy|Barbara 10 Barb|Elizabeth 9 Liz|Jennifer 9 Jen|Maria 8
Susan 8 Sue|Margaret 8 Peggy|Dorothy 7 Dot|Lisa 7|Nancy 7|Karen 7|Betty 7|Helen 7|Sandra 6 Sandy
Donna 6|Carol 6|Ruth 6|Sharon 5|Michelle 5 Shelly|Laura 5|Sarah 5|Kimberly 5 Kim|Deborah 5 Debbie
Jessica 5 Jess|Shirley 5|Cynthia 5 Cindy|Angela 5 Angie|Melissa 5 Missy|Brenda 5|Amy 5|Anna 4 Annie
Rebecca 4 Becky|Virginia 4 Ginny|Kathleen 4 Kathy|Pamela 4 Pam|Martha 4 Marty|Debra 4 Deb|Amanda 4
Stephanie 4 Steph|Carolyn 4|Christine 4 Chris|Marie 4|Janet 4|Catherine 4 Cathy|Frances 4 Fran
"""
_MALE = """
James 33 Jim|John 33 Jack|Robert 31 Bob|Michael 26 Mike|William 25 Bill|David 24 Dave
Richard 17 Rick|Charles 15 Chuck|Joseph 14 Joe|Thomas 14 Tom|Christopher 10 Chris|Daniel 10 Dan
Paul 9|Mark 9|Donald 9 Don|George 9|Kenneth 8 Ken|Steven 8 Steve|Edward 8 Ed|Brian 7|Ronald 7 Ron
Anthony 7 Tony|Kevin 7|Jason 7 Jay|Matthew 7 Matt|Gary 7|Timothy 6 Tim|Jose 6 Pepe|Larry 6
Jeffrey 6 Jeff|Frank 6|Scott 5|Eric 5|Stephen 5 Steve|Andrew 5 Andy|Raymond 5 Ray|Gregory 4 Greg
Joshua 4 Josh|Jerry 4
Dennis 4|Walter 4 Walt|Patrick 4 Pat|Peter 4 Pete|Harold 4 Hal|Douglas 4 Doug|Henry 4 Hank|Carl 4
"""
_OTHERS = """
Priya Mei Ngoc Fatima Aisha Yuki Ingrid Svetlana Leila Zainab Keisha Latoya Xiomara Guadalupe Paz
Rosario Nadia Tamar Siobhan Amina Jin Wei Hiroshi Arjun Omar Kwame Dmitri Lars Tariq Raj Mateusz
Luca Jamal Darnell Tyrone Enzo Ravi Minh Hung Sanjay Diego Hugo Ivan Ola Niamh Anouk Brooke Paige
Haley Sierra Autumn Jade Amber Crystal Heidi Gretchen Wanda Yvonne Marlene Opal Blake Chase Logan
Hunter Tanner Wyatt Clint Dwight Earl Floyd Glen Hector Ismael Kirk Lyle Milo
"""
_OWN = "Sunny Buddy Skip Coco Dee Kiki Ace Bo Trey Gigi Tater Sissy Bunny Duke Red Chip Bubba"


def _table(listed: str) -> tuple[Texts, Texts, Floats]:
    rows = [entry.split() for line in listed.split("\n") for entry in line.split("|") if entry]
    rest, others = 1000 - sum(int(row[1]) for row in rows), _OTHERS.split()
    rows += [[name, str(rest / len(others))] for name in others]
    names = np.array([row[0] for row in rows], dtype=object)
    short = np.array([row[2] if len(row) > 2 else row[0] for row in rows], dtype=object)
    return names, short, np.cumsum([float(row[1]) for row in rows]) / 1000


def males(folk: Folk) -> Bools:
    """Who is a man; the others are women."""
    found: Bools = folk.draws.uniform(192) < 0.46
    return found


def recorded(folk: Folk) -> Texts:
    """The first name of everyone in the medical record."""
    return _names(folk)[0]


def given(folk: Folk) -> Texts:
    """The first name that everyone gives to others; each gives the same one each time."""
    names, short = _names(folk)
    drawn, which = folk.draws.uniform(117), folk.draws.uniform(118)
    table = np.array(_OWN.split(), dtype=object)
    own = table[(which * len(table)).astype(np.int64)]
    said: Texts = np.where(drawn < _SHORT, short, names)
    said = np.where((drawn >= _SHORT) & (drawn < _SHORT + _OTHER), own, said)
    for position in np.flatnonzero(drawn > 1 - folk.knobs.lost(_SLIP)).tolist():
        said[position] = _slip(said[position])
    return said


def _names(folk: Folk) -> tuple[Texts, Texts]:
    man, drawn = males(folk), folk.draws.uniform(116)
    names, short = np.empty(len(man), dtype=object), np.empty(len(man), dtype=object)
    for mine, listed in ((man, _MALE), (~man, _FEMALE)):
        table, shorter, edges = _table(listed)
        place = np.minimum(np.searchsorted(edges, drawn[mine]), len(table) - 1)
        names[mine], short[mine] = table[place], shorter[place]
    return names, short


def _slip(name: str) -> str:
    """Two letters in the wrong order."""
    return name[:1] + name[2:3] + name[1:2] + name[3:]
