-- No text of a mart looks like an e-mail address or a hashed identifier; where a service line or a
--   place does, map another column to it in caretrace.toml.
-- inputs: credit, conversions, spend, sessions, reactivation, engagement, flow_effects, claims,
--   claim_credit, unmapped, rejected, unknown_codes

with

texts as (

    select
        channel,
        campaign,
        service_line,
        location
    from credit
    union
    select
        kind as channel,
        currency as campaign,
        service_line,
        location
    from conversions
    union
    select
        channel,
        campaign,
        service_line,
        location
    from spend
    union
    select
        channel,
        campaign,
        '' as service_line,
        '' as location
    from sessions
    union
    select
        channel,
        campaign,
        service_line,
        location
    from reactivation
    union
    select
        channel,
        flow as campaign,
        '' as service_line,
        '' as location
    from engagement
    union
    select
        arm as channel,
        flow as campaign,
        '' as service_line,
        '' as location
    from flow_effects
    union
    select
        channel,
        campaign,
        platform as service_line,
        '' as location
    from claims
    union
    select
        channel,
        campaign,
        platform as service_line,
        '' as location
    from claim_credit
    union
    select
        origin as channel,
        utm_source as campaign,
        utm_medium as service_line,
        utm_campaign as location
    from unmapped
    union
    select
        source as channel,
        file as campaign,
        shape as service_line,
        reason as location
    from rejected
    union
    select
        source as channel,
        said_of as campaign,
        system as service_line,
        code as location
    from unknown_codes

),

final as (

    select 1 as found
    from texts
    where
        regexp_matches(
            coalesce(channel, '') || ' ' || coalesce(campaign, '') || ' '
            || coalesce(service_line, '') || ' ' || coalesce(location, ''),
            '[^ @]+(@|%40)[^ @]+[.]|[0-9a-fA-F]{32}'
        )

)

select * from final
