"""What the simulated health system says of outreach: its name, its clinics, its doctors' videos."""

from attribution.demo.market import LINES, LOCATIONS

_HEAD = """
[outreach]
enabled = true
organisation = "Lakeside Health"
phone = "312-555-0100"
postal_address = "1 Lakeside Drive, Chicago, IL 60601"
unsubscribe = "https://lakeside.example/stop"
booking_url = "https://lakeside.example/book"
billing_url = "https://lakeside.example/pay"
survey_url = "https://lakeside.example/s"
[outreach.locations]
"""


def outreach_toml() -> str:
    """The table `[outreach]` of the demo; messages go into files, nowhere else."""
    places = [
        f'{name} = {{ name = "{name.title()} clinic", phone = "312-555-01{n}0", '
        f'timezone = "America/Chicago", review_url = "https://lakeside.example/review/{name}" }}'
        for n, name in enumerate(LOCATIONS, start=1)
    ]
    doctors = [
        f'dr-{line[:4]}-{n // 6}{n % 6} = {{ name = "Dr. {line[0].upper()}{n}", '
        f'video = "https://lakeside.example/film/{line[:4]}{n}" }}'
        for line in LINES
        for n in range(0, 18, 3)
    ]
    return _HEAD + "\n".join([*places, "[outreach.providers]", *doctors]) + "\n"
