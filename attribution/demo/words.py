"""Words of the foreign systems for ours, and the rows that went wrong in their exports."""

GOOGLE_TYPES = {"cpc": "Search", "display": "Display", "video": "Video"}
GOOGLE_EVENTS = {"click": "Clicks", "view": "View-throughs"}
EVENTS = {
    "impression": "ad_impression", "click": "ad_click", "session": "session_start",
    "form": "generate_lead", "email_open": "newsletter_open", "email_click": "newsletter_click",
    "direct_mail": "mail_drop", "referral": "physician_referral",
}  # fmt: skip
LINE_TITLES = {
    "orthopedics": "Orthopedics", "dermatology": "Dermatology", "dental": "Dental care",
    "primary_care": "Primary care",
}  # fmt: skip
DEPARTMENTS = {
    "orthopedics": "ORTHO", "dermatology": "DERM", "dental": "DENTAL", "primary_care": "PCP",
}  # fmt: skip
CLINICS = {"north": "North clinic", "central": "Central clinic", "south": "South clinic"}
SEXES = {"female": "F", "male": "M"}
STATUSES = {
    "fulfilled": "Completed", "noshow": "No Show", "cancelled": "Canceled", "booked": "Scheduled",
}  # fmt: skip
PAYER_CODES = {"commercial": "COM", "medicare": "MCR", "medicaid": "MCD", "self_pay": "SELF"}
ARMS = {"treated": "test", "holdout": "control"}

# Rows that no mapping can save: dates that do not exist, words for numbers, cells too many.
DIRTY_PAYMENTS = (
    "PAYX-01,02/30/2026 09:00,00000012,E12-2,84.00,COM",
    "PAYX-02,13/05/2026 10:15,00000040,E40-2,112.50,MCR",
    "PAYX-03,pending,00000041,E41-2,96.00,COM",
    "PAYX-04,05/12/2026 09:30,00000055,E55-2,twelve,SELF",
    "PAYX-05,05/12/2026 09:31,00000056,E56-2,,COM",
    "PAYX-06,05/12/2026 09:45,00000057,E57-2,1.2.3,COM",
    "PAYX-07,,00000058,E58-2,45.00,SELF",
    ",05/12/2026 10:02,00000059,E59-2,45.00,SELF",
    "PAYX-09,05/12/2026 10:10,00000060,E60-2,45.00,SELF,reversed,see note",
    "PAYX-10,05/12/2026",
    "PAYX-11,05/12/2026 25:10,00000061,E61-2,30.00,COM",
    "PAYX-12,2026-05-12,00000062,E62-2,30.00,COM",
    "TOTAL,,,,1284.50,",
)
DIRTY_CALLS = (
    "CALX-01,06/31/2026 09:12 AM,61,Answered Call,+12015550001,,No,,,,,,",
    "CALX-02,06/11/2026 14:12 PM,75,Answered Call,+12015550002,,No,,,,,,",
    "CALX-03,06/11/2026 09:12 AM,1:15,Answered Call,+12015550003,,No,,,,,,",
    "CALX-04,06/11/2026 09:20 AM,88,Voicemail,+12015550004,,No,,,,,,",
    "CALX-05,unknown,88,Answered Call,+12015550005,,No,,,,,,",
    "CALX-06,06/11/2026 09:41 AM,,Answered Call,+12015550006,,No,,,,,,",
    ",06/11/2026 09:44 AM,40,Answered Call,+12015550007,,No,,,,,,",
    "CALX-08,06/11/2026 09:50 AM,40,Answered Call,+12015550008,,No,google,cpc,a,b,c,d,e",
    "CALX-09,06/11/2026 10:01 AM,forty,Answered Call,+12015550009,,No,,,,,,",
    "CALX-10,06/11/2026 10:05 AM",
    "CALX-11,06/11/2026 10:20 AM,33,,+12015550010,,No,,,,,,",
    "CALX-12,2026-06-11T10:30:00,33,Answered Call,+12015550011,,No,,,,,,",
)
