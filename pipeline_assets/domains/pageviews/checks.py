"""What must hold across the page view tables."""

import ibis
import ibis.expr.types as ir

from pipeline_assets.dataset.accounting import unaccounted
from pipeline_assets.dataset.asset import check
from pipeline_assets.domains.pageviews.records import rejected


@check("error")
def every_record_accounted(handles: ir.Table, raw_subjects: ir.Table) -> ir.Table:
    """Handles and rejected rows together are the records of the list."""
    return unaccounted("list", raw_subjects, handles, rejected(raw_subjects))


@check("warn")
def subjects_have_articles_of_their_own(handles: ir.Table) -> ir.Table:
    """No two subjects of a list lead to the same article."""
    counted = handles.group_by("list", "page_id").aggregate(subjects=handles.count())
    return counted.filter(counted.subjects > 1)


@check("warn")
def titles_lead_to_one_article(titles: ir.Table) -> ir.Table:
    """No title counts for two articles of a list, as while an article is being moved."""
    counted = titles.group_by("list", "title").aggregate(articles=titles.count())
    return counted.filter(counted.articles > 1)


@check("warn")
def every_day_is_loaded(daily_views: ir.Table) -> ir.Table:
    """No day is still to come; views come up to two days late, so the newest days may be."""
    absent = daily_views.filter(daily_views.completeness == "not_loaded")
    late = absent.group_by("day").aggregate(articles=absent.count())
    return late.filter(late.day < _latest(daily_views))


def _latest(daily_views: ir.Table) -> ir.Value:
    """The last day but two: a day may take so long, and a check should not cry wolf until then."""
    return (daily_views.day.max() - ibis.interval(days=2)).as_scalar()
