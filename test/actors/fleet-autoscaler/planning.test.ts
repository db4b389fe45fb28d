/** Planning for the fleet: when the planner is asked, and what workers are told of its plans. */

import { expect } from 'chai';

import {
  fleetAutoscalerSpec,
  type FleetConfig,
} from '../../../actors/fleet-autoscaler/behaviour.ts';
import type { FleetMessage, PlannerCommand } from '../../../actors/fleet-autoscaler/protocol.ts';
import type { ControllerMessage } from '../../../actors/controller/protocol.ts';
import type { FleetPolicyName } from '../../../actors/policy/fleet/index.ts';
import { defaultFleetRules } from '../../../actors/policy/fleet/view.ts';
import { planGreedily } from '../../../actors/policy/planning/greedy.ts';
import type { WorkerMessage } from '../../../actors/worker/protocol.ts';
import { type Ref, refOf } from '../../../runtime/actor.ts';
import { placed } from '../../support/fleet-scaling.ts';
import { anySpec, Recording } from '../../support/recording-context.ts';
import { mebibyte, perQuery, variantOf } from '../../support/variants.ts';
import { cpuOf } from '../../support/worker-stage.ts';

const controller = refOf<ControllerMessage>('controller', 1, '/controller');
const planner = refOf<PlannerCommand>('controller', 1, '/planner');
const workerRef = (id: string): Ref<WorkerMessage> => refOf(id, 1, '/worker');

const variants = [
  variantOf('quick', { latency: perQuery(5), memoryBytes: mebibyte, accuracy: 80 }),
  variantOf('exact', { latency: perQuery(20), memoryBytes: mebibyte, accuracy: 90 }),
];

class PlanningStage extends Recording<unknown, FleetMessage> {
  constructor(policy: FleetPolicyName = 'ours', config: Partial<FleetConfig> = {}) {
    super(
      anySpec(
        fleetAutoscalerSpec({
          config: {
            ...{ policy, tickMs: 2_000, mailboxMax: 100 },
            ...{ limits: { cpu: { min: 0, max: 3 } }, rules: defaultFleetRules },
            ...{ workerUnits: 1, workerMemoryBytes: undefined, startTimeoutMs: 30_000 },
            ...{ youngMs: 5_000, backoffMs: 4_000, backoffMaxMs: 60_000 },
            ...{ placeTimeoutMs: 20_000, silentMs: 1_000_000 },
            ...config,
          },
          ...{ controller, planner },
        }),
      ),
    );
  }

  knows(): this {
    return this.send({ type: 'fleet.registry-changed', revision: 7, variants });
  }

  reports(rateQps: number): this {
    return this.send({
      type: 'fleet.worker-reported',
      ...{ worker: workerRef('w1'), workerId: 'w1', hardware: cpuOf(64 * mebibyte, 2) },
      ...{ memoryUsedBytes: mebibyte, utilisation: 0.5 },
      instances: [
        placed('quick', {
          demand: [{ by: 'task', accuracyMin: 0, latencyMs: 200, rateQps }],
        }),
      ],
    });
  }

  get asked(): PlannerCommand[] {
    return [...this.toldTo(planner)];
  }

  /** Answers the last request as the planner's fallback would. */
  solves(): this {
    const { requestId, problems } = this.asked.at(-1)!;
    const plans = problems.map(planGreedily);
    return this.send({ type: 'fleet.plan-solved', requestId, plans });
  }

  get assigned(): object[] {
    return this.toldTo(workerRef('w1')).flatMap((told) =>
      told.type === 'worker.plan-assigned' ? [told.counts] : [],
    );
  }
}

const agentReport: FleetMessage = {
  ...{ type: 'fleet.provisioner-reported', name: 'agent', workers: [] },
  provisioner: refOf('agent', 1, '/provisioner'),
  room: [{ kind: 'cuda', units: 4, memoryBytes: 20 }],
};

describe('planning for the fleet', () => {
  it('asks the controller for a registry that it does not have yet, by its revision', () => {
    const stage = new PlanningStage();
    stage.advance(1_000).knows().advance(1_000);
    const revisions = stage
      .toldTo(controller)
      .flatMap((told) => (told.type === 'controller.compare-registry' ? [told.revision] : []));
    expect(revisions).to.deep.equal([-1, 7]);
  });

  it('tells each worker its part, the accurate variant as far as there are units', () => {
    const stage = new PlanningStage();
    stage.knows().reports(10).advance(1_000).solves();
    const [counts] = stage.assigned as [Record<string, number>];
    expect(counts['exact']).to.be.at.least(1);
    expect(counts['quick']).to.be.at.least(1);
  });

  it('asks again every five seconds, and at once when the demand outgrows the plan', () => {
    const stage = new PlanningStage();
    stage.knows().reports(10).advance(1_000).solves();
    stage.reports(10).advance(3_000);
    expect(stage.asked).to.have.length(1);
    stage.reports(60).advance(1_000);
    expect(stage.asked).to.have.length(2);
    stage.solves().reports(60).advance(5_000);
    expect(stage.asked).to.have.length(3);
  });

  it('takes a rise of next to no work for none', () => {
    const stage = new PlanningStage();
    stage.knows().reports(0.5).advance(1_000).solves();
    stage.reports(3).advance(1_000).reports(4).advance(1_000);
    expect(stage.asked).to.have.length(1);
  });

  it('counts on machines of a kind that it has none of as it knows them', () => {
    const cuda = { kind: 'cuda', units: 2, memoryBytes: 7, costUsdPerUnitHour: 1 } as const;
    const limits = { cpu: { min: 0, max: 3 }, cuda: { min: 0, max: 1 } };
    const shapeOf = (stage: PlanningStage): unknown => {
      const [buy] = stage.knows().reports(10).advance(1_000).asked.at(-1)!.problems;
      const { units, memoryBytes, usdPerHour } = buy!.machines.find(({ kind }) => kind === 'cuda')!;
      return { units, memoryBytes, usdPerHour };
    };
    const known = new PlanningStage('ours', { limits, newWorkers: { cuda } });
    known.send(agentReport);
    expect(shapeOf(known)).to.deep.equal({ units: 2, memoryBytes: 7, usdPerHour: 2 });
    const told = new PlanningStage('ours', { limits, workerUnits: 3 });
    told.send(agentReport);
    expect(shapeOf(told)).to.include({ units: 3, memoryBytes: 3 * 5 });
  });

  it('lets nothing go before two plans agree', () => {
    const stage = new PlanningStage();
    stage.knows().reports(10).advance(1_000).solves();
    const before = (stage.assigned[0] as Record<string, number>)['exact']!;
    // So much that only the quick variant can carry it.
    stage.reports(190).advance(1_000).solves();
    const then = stage.assigned[1] as Record<string, number>;
    expect(then['exact']).to.be.at.least(before);
    expect(then['quick']).to.be.at.least(2);
  });

  it('takes no plan that breaks the rules, and none that it did not ask for', () => {
    const stage = new PlanningStage();
    stage.knows().reports(10).advance(1_000);
    const { requestId, problems } = stage.asked[0]!;
    const plans = problems.map((problem) => ({ ...planGreedily(problem), machines: { cpu: 9 } }));
    stage.send({ type: 'fleet.plan-solved', requestId: requestId + 1, plans });
    stage.send({ type: 'fleet.plan-solved', requestId, plans });
    expect(stage.assigned).to.deep.equal([]);
    expect(stage.counted('infaas_plans_refused_total')).to.equal(2);
  });

  it('does not plan by a policy that has no plan', () => {
    const stage = new PlanningStage('infaas-paper');
    stage.knows().reports(10).advance(6_000);
    expect(stage.asked).to.deep.equal([]);
  });
});
