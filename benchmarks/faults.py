#!/usr/bin/env python3
"""Faults planted in made-up series, and what the shipped default rules make of them."""

from __future__ import annotations

import argparse, sys, time, collections
from pathlib import Path
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
import numpy as np
from benchmarks.faulting import ours, tally, world
from shipper.detect.rule_file import load_rules

def main():
    p=argparse.ArgumentParser()
    p.add_argument("--seed",type=int,default=1);p.add_argument("--series",type=int,default=300);p.add_argument("--days",type=int,default=7)
    p.add_argument("--per-day",type=float,default=.2);p.add_argument("--rules",type=Path);p.add_argument("--only",default="")
    p.add_argument("-v",action="store_true")
    a=p.parse_args()
    rules=load_rules(a.rules)
    false_all=0
    for rule,count in world.allotted(rules,a.series):
        if a.only and a.only not in rule.id: continue
        t0=time.time()
        made=list(world.make(rules,rule,count,a.seed,a.days,a.per_day))
        t1=time.time()
        alerts=list(ours.alerts(rules,rule,made))
        t2=time.time()
        faults=[f for m in made for f in m.faults]
        out,false=tally.outcomes(faults,alerts)
        print(f"{rule.id} series {count} faults {len(faults)} made {t1-t0:.0f}s judged {t2-t1:.0f}s alerts {len(alerts)} false {len(false)} ({len(false)/a.days:.2f}/day)")
        false_all+=len(false)
        for name,lo,hi in tally.CLASSES:
            for vis in (True,False):
                c=[o for o in out if lo<=o.fault.power<hi and o.fault.is_visible==vis]
                if not c: continue
                d=[o.delay for o in c if o.delay is not None]; dl=[o.delay_since_labels for o in c if o.delay is not None]
                print(f"   {name} visible={vis}: {len(d)}/{len(c)} = {len(d)/len(c):.3f}; delay {tally.quantile(d,.5):.2f} p95 {tally.quantile(d,.95):.2f}; labels {tally.quantile(dl,.5):.2f} {tally.quantile(dl,.95):.2f}")
                if a.v and lo>.9:
                    for o in c:
                        if o.delay is None or o.delay_since_labels>4: print("      ",o.fault.series,o.fault.kind,round(o.fault.size,3),f"{(o.fault.end_us-o.fault.start_us)/3e8:.0f} buckets", o.delay, [ (x.start_us-o.fault.start_us)/3e8 for x in alerts if next(iter(x.group.values()))==o.fault.series])
        if a.v:
            for x in false: print("   FALSE", x.group, (x.raised_us-world.times(a.days,a.seed)[0])/3e8/288, [((f.start_us-world.times(a.days,a.seed)[0])/3e8/288,(f.end_us-world.times(a.days,a.seed)[0])/3e8/288,f.kind) for f in faults if f.series==next(iter(x.group.values()))])
    print("false per day", false_all/a.days)
main()
