-- Everybody who is silent today: the chance that they return unasked, and what that brings.
-- grain: person_id
-- inputs: int_return_spans, int_return_chances, int_consent, setting_silence
--
-- `chance` is of booking a visit that will be kept, within six months; null where nothing was
-- learned. `value_micros` is what a return of that service line brings within 180 days. Who takes
-- e-mail or texts said so last of all that they said of it (`int_consent`).

with

silent as (

    select distinct
        person_id,
        service_line,
        location,
        visited_at,
        last_at,
        least(
            cast(floor(date_diff('second', visited_at, last_at) / 1296000.0) as integer), 240
        ) as in_step,
        visits,
        age_band
    from int_return_spans
    where is_silent

),

allowed as (

    select
        person_id,
        max(case when channel = 'email' then 1 else 0 end) as takes_email,
        max(case when channel = 'sms' then 1 else 0 end) as takes_sms
    from int_consent
    where allowed
    group by person_id

),

final as (

    select
        silent.person_id,
        silent.service_line,
        silent.location,
        setting_silence.months_silent,
        silent.visits,
        chances.chance,
        chances.value_micros,
        coalesce(allowed.takes_email, 0) as takes_email,
        coalesce(allowed.takes_sms, 0) as takes_sms
    from silent
    inner join setting_silence
        on
            date_diff('second', silent.visited_at, silent.last_at)
            >= setting_silence.from_days * 86400
            and (
                setting_silence.to_days is null
                or date_diff('second', silent.visited_at, silent.last_at)
                < setting_silence.to_days * 86400
            )
    left join allowed on silent.person_id = allowed.person_id
    left join int_return_chances as chances
        on
            chances.basis = 'today'
            and silent.in_step = chances.in_step
            and silent.visits = chances.visits
            and silent.age_band = chances.age_band
            and silent.service_line = chances.service_line

)

select * from final
