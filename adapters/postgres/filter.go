package postgres

import (
	"fmt"
	"strings"

	"eventstore/core"
)

// match is a filter as PostgreSQL is asked for it: the items that can match anything. nil
// matches all.
type match []core.Item

func newMatch(filter core.Filter) match {
	if len(filter) == 0 {
		return nil
	}
	items := match{}
	for _, item := range filter {
		if len(item.Types)+len(item.Subjects)+len(item.Tags) == 0 {
			return nil
		}
		clean := core.Item{Types: storables(item.Types), Subjects: storables(item.Subjects), Tags: storables(item.Tags)}
		possible := (len(item.Types) == 0 || len(clean.Types) > 0) && (len(item.Subjects) == 0 || len(clean.Subjects) > 0)
		for _, tag := range item.Tags {
			possible = possible && storable(tag)
		}
		if possible {
			items = append(items, clean)
		}
	}
	return items
}

// A page is read by its positions first, then its rows. $1 and $2 are the lowest and the
// highest position, $3 how many rows; {order} is asc or desc.
//
// Each item of a filter gives the first positions that match it, from an index that has
// them in order, so that neither an item that matches much nor one that matches
// nothing makes PostgreSQL look at more of the log than it must.
const (
	subjectSQL = `(select found.position from unnest({subjects}) as one (subject), lateral (
		select e.position from {events} e where e.subject = one.subject and e.position between $1 and $2 {rest}
		order by e.position {order} limit $3) as found order by 1 {order} limit $3)`
	typeSQL = `(select found.position from unnest({types}) as one (type), lateral (
		select e.position from {events} e where e.type = one.type and e.position between $1 and $2
		order by e.position {order} limit $3) as found order by 1 {order} limit $3)`
	tagSQL = `(select t1.position from {tags} t1 {joins} where t1.tag = {tag} and t1.position between $1 and $2 {rest}
		order by t1.position {order} limit $3)`

	// pageSQL cuts the page where its data is {bytes} long, before PostgreSQL unpacks any of it. What
	// went before a row counts, so that there is always a first one.
	pageSQL = `
select ` + eventColumns + `, {previous}
from (
	select e.*, coalesce(sum(coalesce(pg_column_size(e.data), 0) + coalesce(pg_column_size(e.data_base64), 0))
		over (order by e.position {order} rows between unbounded preceding and 1 preceding), 0) as before
	from {source}
	order by e.position {order} limit $3
) e
where e.before < {bytes}
order by e.position {order}`

	allSource   = `{events} e where e.position between $1 and $2`
	matchSource = `({positions}) as found (position) join {events} e on e.position = found.position`

	previousSQL = `(select before.hash from {events} before where before.position = e.position - 1)`
)

// pageStatement is the statement that reads the next page of at most so many rows.
func (r *reading) pageStatement(rows int) (statement, *parameters) {
	low, high := r.bounds(core.Position(rows))
	p := new(parameters)
	p.bigint(int64(low))
	p.bigint(int64(high))
	p.bigint(int64(rows))
	order, source, previous := "asc", allSource, previousSQL
	if r.query.Backward {
		order = "desc"
	}
	if r.match != nil {
		source = strings.Replace(matchSource, "{positions}", r.match.sql(p), 1)
	} else if r.inOrder() {
		previous = "case when e.position = $1 then " + previousSQL + " end"
	}
	sql := strings.NewReplacer("{source}", source, "{previous}", previous, "{bytes}", fmt.Sprint(pageBytes)).Replace(pageSQL)
	sql = strings.ReplaceAll(sql, "{order}", order)
	if r.match == nil {
		return r.log.tables.statement("page", sql), p
	}
	return statement{sql: r.log.tables.sql(sql)}, p
}

// bounds are the positions among which the next rows are: where all are read, each has one.
func (r *reading) bounds(rows core.Position) (low, high core.Position) {
	switch {
	case r.match != nil:
		return r.low, r.high
	case r.query.Backward:
		return max(r.low, r.high-rows+1), r.high
	}
	return r.low, min(r.high, r.low+rows-1)
}

// sql is the query for the positions of all items, each once.
func (m match) sql(p *parameters) string {
	queries := make([]string, len(m))
	for i, item := range m {
		queries[i] = itemSQL(item, p)
	}
	if len(queries) == 0 {
		return "select 0::bigint where false"
	}
	return strings.Join(queries, " union ")
}

// itemSQL is the query for an item's positions: by its subjects if it has any, for an entity
// has few events, else by its tags, else by its types.
func itemSQL(item core.Item, p *parameters) string {
	switch {
	case len(item.Subjects) > 0:
		rest := restSQL(item, p)
		if len(item.Tags) > 0 {
			rest += " and e.tags @> " + listParameter(item.Tags, p)
		}
		return strings.NewReplacer("{subjects}", listParameter(item.Subjects, p), "{rest}", rest).Replace(subjectSQL)
	case len(item.Tags) > 0:
		return tagsSQL(item, p)
	}
	return strings.NewReplacer("{types}", listParameter(item.Types, p)).Replace(typeSQL)
}

// tagsSQL joins the rows of the first tag with those of the others, all of which are in order.
func tagsSQL(item core.Item, p *parameters) string {
	joins := ""
	for i, tag := range item.Tags[1:] {
		joins += fmt.Sprintf(" join {tags} t%d on t%[1]d.position = t1.position and t%[1]d.tag = %s", i+2, textParameter(tag, p))
	}
	if len(item.Types) > 0 {
		joins += " join {events} e on e.position = t1.position"
	}
	return strings.NewReplacer("{joins}", joins, "{tag}", textParameter(item.Tags[0], p), "{rest}", restSQL(item, p)).Replace(tagSQL)
}

func restSQL(item core.Item, p *parameters) string {
	if len(item.Types) == 0 {
		return ""
	}
	return "and e.type = any(" + listParameter(item.Types, p) + ")"
}

// listParameter adds a list of texts and returns its place in the statement.
func listParameter(list []string, p *parameters) string {
	p.textList(list)
	return fmt.Sprintf("$%d::text[]", len(p.values))
}

func textParameter(text string, p *parameters) string {
	p.text(text)
	return fmt.Sprintf("$%d", len(p.values))
}
