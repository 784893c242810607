// Totals per group in Go: `IN OUT --file NAME --by COLUMN --value COLUMN [--min-group N]`, writes `groups.csv`.
//
// Only the standard library, built with GOOS=wasip1 GOARCH=wasm. Go's maps are iterated in a random order, so the
// groups are sorted before they are written.
package main

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// group is Neumaier's compensated sum, as every example here computes it, so that the bytes agree.
type group struct {
	count                 uint64
	total, lost, min, max float64
}

func (g *group) add(number float64) {
	next := g.total + number
	if math.Abs(g.total) >= math.Abs(number) {
		g.lost += (g.total - next) + number
	} else {
		g.lost += (number - next) + g.total
	}
	g.total = next
	g.count++
	g.min = min(g.min, number)
	g.max = max(g.max, number)
}

func (g *group) sum() float64 {
	if math.IsInf(g.total, 0) {
		return g.total
	}
	return g.total + g.lost
}

func main() {
	if err := run(os.Args); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) < 3 {
		return errors.New("the two folders are missing")
	}
	options, err := parseOptions(args[3:])
	if err != nil {
		return err
	}
	minGroup, err := parseMinGroup(options)
	if err != nil {
		return err
	}
	input, err := os.Open(filepath.Join(args[1], options["--file"]))
	if err != nil {
		return err
	}
	defer input.Close()
	groups, err := gather(input, options["--by"], options["--value"])
	if err != nil {
		return err
	}
	output, err := os.Create(filepath.Join(args[2], "groups.csv"))
	if err != nil {
		return err
	}
	suppressed, err := write(output, groups, options["--by"], minGroup)
	if err := errors.Join(err, output.Close()); err != nil {
		return err
	}
	fmt.Printf("%s: %d groups written\n", options["--file"], len(groups)-suppressed)
	fmt.Printf("%d groups with fewer than %d values suppressed\n", suppressed, minGroup)
	return nil
}

func parseOptions(words []string) (map[string]string, error) {
	known := []string{"--by", "--value", "--file", "--min-group"}
	options := map[string]string{}
	for ; len(words) > 0; words = words[2:] {
		if !slices.Contains(known, words[0]) {
			return nil, fmt.Errorf("%s is not known here; known: %s", words[0], strings.Join(known, ", "))
		}
		if len(words) == 1 {
			return nil, fmt.Errorf("%s needs a value", words[0])
		}
		if _, given := options[words[0]]; given {
			return nil, fmt.Errorf("%s is given twice", words[0])
		}
		options[words[0]] = words[1]
	}
	for _, key := range known[:3] {
		if _, given := options[key]; !given {
			return nil, fmt.Errorf("%s VALUE is needed", key)
		}
	}
	return options, nil
}

func parseMinGroup(options map[string]string) (uint64, error) {
	text, given := options["--min-group"]
	if !given {
		return 5, nil
	}
	number, err := strconv.ParseUint(text, 10, 64)
	if err != nil || number == 0 {
		return 0, fmt.Errorf("--min-group %s: a whole number of at least 1 is needed", text)
	}
	return number, nil
}

func gather(input io.Reader, by, value string) (map[string]*group, error) {
	reader := csv.NewReader(input)
	header, err := reader.Read()
	if err != nil {
		return nil, fmt.Errorf("reading the header: %w", err)
	}
	header[0] = strings.TrimPrefix(header[0], "\ufeff")
	byAt, valueAt := slices.Index(header, by), slices.Index(header, value)
	for column, at := range map[string]int{by: byAt, value: valueAt} {
		if at < 0 {
			return nil, fmt.Errorf("there is no column %q; the columns are: %s", column, strings.Join(header, ", "))
		}
	}
	groups := map[string]*group{}
	for {
		row, err := reader.Read()
		if err == io.EOF {
			return groups, nil
		}
		if err != nil {
			return nil, err
		}
		if isMissing(row[byAt]) || isMissing(row[valueAt]) {
			continue
		}
		number, ok := parseNumber(row[valueAt])
		if !ok {
			// The cell itself stays out of the message: the log is read outside.
			line, _ := reader.FieldPos(0)
			return nil, fmt.Errorf("line %d: the column %q holds something that is not a number", line, value)
		}
		if groups[row[byAt]] == nil {
			groups[row[byAt]] = &group{min: math.Inf(1), max: math.Inf(-1)}
		}
		groups[row[byAt]].add(number)
	}
}

func write(to io.Writer, groups map[string]*group, by string, minGroup uint64) (int, error) {
	names := make([]string, 0, len(groups))
	for name := range groups {
		names = append(names, name)
	}
	slices.Sort(names)
	suppressed := 0
	table := csv.NewWriter(to)
	// The writer keeps its first error until the end.
	_ = table.Write([]string{by, "count", "mean", "min", "max", "sum"})
	for _, name := range names {
		g := groups[name]
		if g.count < minGroup {
			suppressed++
			continue
		}
		row := []string{name, strconv.FormatUint(g.count, 10)}
		for _, number := range []float64{g.sum() / float64(g.count), g.min, g.max, g.sum()} {
			row = append(row, numberText(number))
		}
		_ = table.Write(row)
	}
	table.Flush()
	return suppressed, table.Error()
}

// isMissing tells whether a cell holds no value: empty, or NA as R writes it.
func isMissing(cell string) bool {
	cell = strings.TrimSpace(cell)
	return cell == "" || cell == "NA"
}

// parseNumber takes decimals only: infinities would swallow every total, and Go alone reads 0x1p3.
func parseNumber(cell string) (float64, bool) {
	cell = strings.TrimSpace(cell)
	if strings.Trim(cell, "0123456789+-.eE") != "" {
		return 0, false
	}
	number, err := strconv.ParseFloat(cell, 64)
	return number, err == nil && !math.IsInf(number, 0) && !math.IsNaN(number)
}

// numberText is the shortest text that reads back as the same bits, with an exponent below 1e-4 and from 1e16.
func numberText(number float64) string {
	size := math.Abs(number)
	if size == 0 || (size >= 1e-4 && size < 1e16) || math.IsInf(number, 0) {
		return strings.TrimPrefix(strings.ToLower(strconv.FormatFloat(number, 'f', -1, 64)), "+")
	}
	mantissa, power, _ := strings.Cut(strconv.FormatFloat(number, 'e', -1, 64), "e")
	exponent, _ := strconv.Atoi(power) // 'e' always writes a whole number there
	return mantissa + "e" + strconv.Itoa(exponent)
}
