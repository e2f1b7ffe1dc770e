-- People who turned out to be one, and people who turned out to be several, by cause.
-- grain: kind, cause
-- inputs: stg_person_change
--
-- `latest` are those that the refresh found which wrote this table.

with

final as (

    select
        kind,
        coalesce(cause, '') as cause,
        count(*) as changes,
        cast(sum(case when latest then 1 else 0 end) as bigint) as latest
    from stg_person_change
    group by kind, coalesce(cause, '')

)

select * from final
order by kind, cause
