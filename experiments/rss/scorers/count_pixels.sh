#!/bin/sh
# Scores a label map by how close the share of its pixels that show class $1 comes to $2: a reward that needs no label.
#
#   rss_pascal_context --reward="exec:sh experiments/rss/scorers/count_pixels.sh 0 0.3"
#
# The protocol is in docs/external_reward.md. A process a map is slow; where that matters, take Python.
class=${1:?class} share=${2:?share}
while read -r word version request count height width; do
  [ "$word $version" = "maps 1" ] || { echo "count_pixels.sh: not a request: $word $version" >&2; exit 1; }
  echo "scores $request $count"
  while [ "$count" -gt 0 ]; do
    read -r image
    head -c $((height * width)) | od -A n -v -t u1 -w1 |
      awk -v class="$class" -v share="$share" '$1 == class { n++ } END { d = n / NR - share; print d < 0 ? d : -d }'
    count=$((count - 1))
  done
done
